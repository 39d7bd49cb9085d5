//! Sizes are written in the same way in `#[factory]` and in settings.

use setl::factory::FactoryItem;
use setl::policy::parse_bytes;

use super::*;

/// Compares what the attribute makes of each text with what settings make of it.
macro_rules! compare {
    ($($name:ident $text:literal),* $(,)?) => {
        $(
            #[factory(memory = $text)]
            fn $name() {}
        )*

        #[test]
        fn an_attribute_and_settings_read_the_same_sizes() {
            $(
                let bytes = <$name as FactoryItem>::POLICY.memory;
                assert!(bytes.is_some(), "{}", $text);
                assert_eq!(bytes, parse_bytes($text), "{}", $text);
            )*
        }
    };
}

compare! {
    whole "500 MiB", without_space "2GiB", in_small_letters "2gib", decimal "1.5 GiB", less_than_one "0.5 MB",
    without_zero ".5 kB", with_spaces " 3  GB ", not_whole "1.1 kB", large "8 TiB", thousands "1000 kB",
}
