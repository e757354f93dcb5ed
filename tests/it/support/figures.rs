//! What a proof measured, for `scripts/prove`; and whether it is to run whole.

use std::io::Write as _;

/// Whether the proof runs whole (`scripts/prove NAME --full`) and not only the sample that fits every test run.
pub fn full() -> bool {
    std::env::var_os("DIVISI_PROVE").is_some_and(|v| v == "full")
}

/// Tells one line of figures to whoever runs the proof; `name` is the proof's.
pub fn tell(name: &str, figures: &str) {
    println!("{name}: {figures}");
    if let Some(file) = std::env::var_os("DIVISI_FIGURES") {
        let file = std::fs::File::options().create(true).append(true).open(file);
        writeln!(file.expect("the file for figures"), "{name}: {figures}").expect("a line of figures");
    }
}
