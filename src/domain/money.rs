//! Amounts of money as people write them, in files and commands. US dollars, the currency in which agents tell prices.

use serde::{Deserialize, Serialize};
use std::fmt;

/// US dollars, kept in cents: from one cent to a million dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "f64", try_from = "f64")]
pub struct Usd(u32);

impl Usd {
    /// The smallest amount that a budget can be, in dollars.
    pub const LEAST: f64 = 0.01;
    /// The largest, in dollars.
    pub const MOST: f64 = 1_000_000.0;

    /// An amount in dollars, rounded to the cent; `None` outside of [`Self::LEAST`] to [`Self::MOST`].
    pub fn of(dollars: f64) -> Option<Self> {
        let fits = (Self::LEAST..=Self::MOST).contains(&dollars);
        fits.then(|| Self((dollars * 100.0).round() as u32))
    }

    /// Whole dollars.
    pub const fn whole(dollars: u32) -> Self {
        Self(dollars.saturating_mul(100))
    }

    /// Reads `20`, `20.5`, `20.50`, `$20`, `20usd` and `20 USD`; `None` for anything else.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let text = text.strip_prefix('$').unwrap_or(&text);
        let text = text.strip_suffix("usd").unwrap_or(text).trim();
        let (whole, cents) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str, most: usize| {
            (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        };
        if !digits(whole, 7) || !digits(cents, 2) {
            return None;
        }
        Self::of(text.parse().ok()?)
    }

    /// In dollars.
    pub fn dollars(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// Whether so many dollars use it up.
    pub fn is_used_up_by(self, dollars: f64) -> bool {
        dollars >= self.dollars() - 1e-9
    }

    /// As it can be written after an option: `20` or `20.50`.
    pub fn plain(self) -> String {
        match self.0 % 100 {
            0 => (self.0 / 100).to_string(),
            cents => format!("{}.{cents:02}", self.0 / 100),
        }
    }
}

impl fmt::Display for Usd {
    /// `$20.50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl From<Usd> for f64 {
    fn from(usd: Usd) -> Self {
        usd.dollars()
    }
}

impl TryFrom<f64> for Usd {
    type Error = String;

    fn try_from(dollars: f64) -> Result<Self, String> {
        Self::of(dollars).ok_or_else(|| format!("{dollars} is no amount of dollars"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_as_people_write_it() {
        for (text, cents) in [
            ("20", 2_000),
            ("$20", 2_000),
            ("20.5", 2_050),
            ("$20.50", 2_050),
            ("20usd", 2_000),
            ("20 USD", 2_000),
            ("0.01", 1),
            ("1000000", 100_000_000),
            ("0.29", 29),
        ] {
            assert_eq!(Usd::read(text), Some(Usd(cents)), "{text}");
            let usd = Usd(cents);
            assert_eq!((Usd::read(&usd.plain()), Usd::read(&usd.to_string())), (Some(usd), Some(usd)));
        }
        for wrong in [
            "",
            "$",
            "usd",
            "-1",
            "0",
            "0.001",
            "1.234",
            "1,000",
            "20€",
            "1e3",
            "inf",
            "nan",
            "1000000.01",
            "$$2",
            "20 30",
            ".5",
            "5.",
            "+5",
            "99999999",
            "٢",
        ] {
            assert_eq!(Usd::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn it_is_stored_in_dollars() {
        let stored = serde_json::to_string(&Usd(2_050)).unwrap();
        assert_eq!(stored, "20.5");
        assert_eq!(serde_json::from_str::<Usd>(&stored).unwrap(), Usd(2_050));
        assert!(serde_json::from_str::<Usd>("-1").is_err());
    }
}
