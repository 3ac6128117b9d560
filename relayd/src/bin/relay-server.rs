//! The relay daemon under its other name.

fn main() {}
