//! Shows the QR code and talks to the phone that scans it.

fn main() {}
