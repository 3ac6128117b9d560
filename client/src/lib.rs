//! What both clients share: the session machine and the thread that drives it.
