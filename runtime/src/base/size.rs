//! Sizes in bytes, as people write and read them.

const UNITS: [(&str, f64); 8] = [
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("tb", 1e12),
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
    ("tib", 1_099_511_627_776.0),
];

/// Parses a number of bytes with a unit, such as `500 MB` or `1.5 GiB`. `None` if it is invalid or too large.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let bytes = number.parse::<f64>().ok()? * factor;
    // Up to 8 PiB, the conversion is exact.
    (bytes <= (1_u64 << 53) as f64).then_some(bytes as u64)
}

/// Formats a size for people: `1.5 GiB`.
pub(crate) fn show(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut value = bytes as f64;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    match value.fract() == 0.0 || unit == 0 {
        true => format!("{value:.0} {}", units[unit]),
        false => format!("{value:.1} {}", units[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_bytes;

    #[test]
    fn sizes_have_a_number_and_a_unit() {
        let sizes = [("10 GiB", 10 << 30), ("1.5GB", 1_500_000_000), (" 2 kib ", 2048), ("0.5 MB", 500_000)];
        for (text, bytes) in sizes {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for text in ["", "5", "GB", "-1 GB", "5 GBs", "1.2.3 MB", "1e3 MB", "99999999999 TiB"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }
}
