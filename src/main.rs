//! The binary `divisi`: everything is in the library's `cli`.

fn main() {}
