//! Durations as people write them, in files and commands.

use std::time::Duration;

/// Reads `500ms`, `90s`, `30m`, `12h`, `1d` and sums such as `1h30m`; `None` for anything else.
pub fn read_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, after) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
        rest = after;
        let milliseconds = match unit.trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(count.checked_mul(milliseconds)?))?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(read_duration("30m"), Some(Duration::from_secs(1_800)));
        assert_eq!(read_duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(read_duration("1h30m"), Some(Duration::from_secs(5_400)));
        assert_eq!(read_duration("500ms"), Some(Duration::from_millis(500)));
        for wrong in
            ["", "30", "m", "-3s", "3 parsecs", "1.5h", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(read_duration(wrong), None, "{wrong}");
        }
    }
}
