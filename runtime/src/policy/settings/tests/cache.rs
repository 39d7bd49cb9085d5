//! Tests for the settings of the cache.

use super::*;

#[test]
fn the_cache_is_switched_off_and_bounded() {
    let effective = |text: &str| applied(&text.parse().unwrap());
    assert_eq!(effective("cache = false").cache, CachePolicy::off());
    assert_eq!(effective("cache.all = false").cache, CachePolicy::declared());
    let sizes = [("5", 5), ("'5 kB'", 5000), ("'2MiB'", 2 << 20), ("'1 TB'", 1_000_000_000_000)];
    for (text, bytes) in sizes {
        let text = format!("cache.max_bytes = {text}");
        assert_eq!(effective(&text).cache, CachePolicy::default().max_bytes(bytes), "{text}");
    }
    for wrong_size in ["'5'", "'5 pounds'", "-1", "'99999999 TiB'", "1.5"] {
        let mistakes = wrong(&format!("cache.max_bytes = {wrong_size}"));
        assert!(
            mistakes[0].contains("expected a number of bytes, or a text such as \"500 MiB\""),
            "{mistakes:?}"
        );
    }
    assert!(wrong("cache = 1")[0].contains("or true or false"));
    assert!(wrong("factory.plain.cache = 'yes'")[0].contains("a table with `max_age`, or true or false"));
    assert!(wrong("cache.size = 1")[0].contains("unknown setting; there are `all`, `max_bytes`, `max_age`"));
}
