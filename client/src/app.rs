//! What the two ends say inside the tunnel: the app protocol, and the kinds of channel that it carries.

pub mod terminal;
