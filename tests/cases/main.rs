//! The cases, one behaviour a file. Run them with `./run-test.sh`, which builds what they start.

mod delivery;
mod envelope;
mod fragments;
mod heartbeat;
mod hello;
mod hello_errors;
mod hello_refusals;
mod pairing;
mod raw_mode;
mod register;
mod sizes;
mod takeover;
mod takeover_limit;
