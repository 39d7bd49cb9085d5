//! Counts the threads that have worked for a run.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The number of words. Each word represents 64 threads. In a process with more threads, some count as one.
const WORDS: usize = 16;

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed) % (64 * WORDS);
}

/// The threads that have worked for a run.
#[derive(Default)]
pub(crate) struct Threads([AtomicU64; WORDS]);

impl Threads {
    /// Adds this thread.
    #[inline]
    pub(crate) fn add_this(&self) {
        let Ok(number) = NUMBER.try_with(|number| *number) else { return };
        let (word, bit) = (&self.0[number / 64], 1 << (number % 64));
        // Shared memory is written only the first time.
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// The number of threads.
    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(|word| word.load(Ordering::Relaxed).count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Threads;

    #[test]
    fn each_thread_counts_once() {
        let threads = Threads::default();
        assert_eq!(threads.count(), 0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..9).for_each(|_| threads.add_this()));
            }
        });
        assert_eq!(threads.count(), 2);
    }
}
