//! Synchronous factories use clients that block and bring a runtime of their own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use setl::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};

/// Runs a test on a runtime with one thread, and again on one with four.
fn on_each_runtime(test: impl AsyncFn()) {
    let mut several = Builder::new_multi_thread();
    for builder in [&mut Builder::new_current_thread(), several.worker_threads(4)] {
        builder.enable_all().build().unwrap().block_on(test());
    }
}

#[derive(Clone, Copy)]
struct Address(SocketAddr);

/// A server that answers one request after another with `42`.
fn serve() -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address(listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n42").unwrap();
        }
    });
    address
}

/// A port that was just closed.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn get(address: Address) -> Result<String> {
    Ok(reqwest::blocking::get(format!("http://{}/", address.0))?.text()?)
}

fn connect() -> Result<()> {
    let config = format!("host=127.0.0.1 port={} user=nobody connect_timeout=10", closed().port());
    postgres::Client::connect(&config, postgres::NoTls)?;
    Ok(())
}

#[factory]
fn function(address: Address) -> Result<String> {
    get(address)
}

/// All steps of a factory may block, also its rollback.
#[factory(output = usize, blocking)]
struct Steps {
    #[delivery]
    address: Address,
    #[delivery]
    body: String,
    read: Vec<String>,
}

impl Factory for Steps {
    async fn read(&mut self) -> Result<()> {
        self.read.push(get(self.address)?);
        Ok(())
    }

    async fn process(&mut self) -> Result<usize> {
        self.read.push(self.body.clone());
        self.read.push(get(self.address)?);
        // Waiting is allowed, too, for what the runtime drives.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let spawned = tokio::spawn(async { "42".to_owned() });
        self.read.push(spawned.await?);
        Ok(self.read.iter().filter(|body| *body == "42").count())
    }

    async fn write(&mut self, _: &usize) -> Result<()> {
        get(self.address).map(drop)
    }
}

impl Rollback for Steps {
    async fn rollback(&mut self) -> Result<()> {
        let _ = UNDONE.send(get(self.address)?);
        Ok(())
    }
}

/// Where rollbacks tell of themselves.
static UNDONE: std::sync::LazyLock<tokio::sync::broadcast::Sender<String>> =
    std::sync::LazyLock::new(|| tokio::sync::broadcast::channel(8).0);

#[pipeline(get(function), steps(Steps))]
struct Http {
    address: Address,
}

#[test]
fn reqwest_blocks_in_every_step() {
    let address = serve();
    on_each_runtime(async || {
        let run = Http { address }.run().await.unwrap();
        assert_eq!(*run.get::<Steps>(), 4);
    });
}

#[factory]
fn fails(_steps: usize) -> Result<u8> {
    Err(setl::Error::msg("enough"))
}

#[pipeline(get(function), steps(Steps), fail(fails))]
struct Undone {
    address: Address,
}

#[test]
fn a_rollback_blocks_and_so_does_a_factory_by_itself() {
    let address = serve();
    on_each_runtime(async || {
        let mut undone = UNDONE.subscribe();
        let error = Undone { address }.run().await.unwrap_err();
        assert_eq!(error.failures().len(), 1, "{}", error.full());
        assert_eq!(undone.recv().await.unwrap(), "42");
        assert_eq!(setl::testing::factory::<function>((address,)).await.unwrap(), "42");
    });
}

#[factory]
fn attempts() -> Result<u8> {
    connect().map(|()| 0)
}

#[factory(retry(times = 2, backoff = "1ms"), on_failure = fallback(none))]
fn retried() -> Result<i16> {
    connect().map(|()| 0)
}

#[factory]
fn none() -> i16 {
    let cause = connect().unwrap_err();
    i16::from(cause.is::<postgres::Error>())
}

#[pipeline(only(retried))]
struct Database;

#[pipeline(only(attempts))]
struct Refused;

#[test]
fn postgres_says_that_nobody_listens() {
    on_each_runtime(async || {
        let error = Refused.run().await.unwrap_err();
        let text = error.line();
        assert!(
            text.contains("factory `attempts` of stage `only` failed in process: error connecting"),
            "{text}"
        );
        assert_eq!(*Database.run().await.unwrap().get::<retried>(), 1);
    });
}

#[factory]
fn drives() -> Result<u32> {
    let by_handle = Handle::current().block_on(async {
        tokio::task::yield_now().await;
        20
    });
    let own = Builder::new_current_thread().enable_all().build()?;
    let by_own = own.block_on(async { tokio::spawn(async { 21 }).await })?;
    let in_place = tokio::task::block_in_place(|| 1);
    Ok(by_handle + by_own + in_place)
}

#[pipeline(only(drives))]
struct Runtimes;

#[test]
fn a_synchronous_factory_drives_runtimes() {
    on_each_runtime(async || {
        assert_eq!(*Runtimes.run().await.unwrap().get::<drives>(), 42);
    });
}

#[factory]
fn makes() -> Result<Arc<Runtime>> {
    Ok(Arc::new(Builder::new_multi_thread().worker_threads(1).build()?))
}

#[factory]
fn takes(runtime: Arc<Runtime>) -> u32 {
    runtime.block_on(async { 42 })
}

#[pipeline(make(makes), take(takes))]
struct Passed;

#[test]
fn a_runtime_is_passed_on_and_dropped() {
    on_each_runtime(async || {
        assert_eq!(*Passed.run().await.unwrap().get::<takes>(), 42);
    });
}

#[factory]
fn nested() -> Result<u32> {
    Ok(*Handle::current().block_on(async { Runtimes.run().await })?.get::<drives>())
}

#[pipeline(only(nested))]
struct Nested;

#[test]
fn a_synchronous_factory_waits_for_a_run() {
    on_each_runtime(async || {
        assert_eq!(*Nested.run().await.unwrap().get::<nested>(), 42);
    });
}
