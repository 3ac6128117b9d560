//! A sender and a receiver with real folders and a channel in memory, and every fault that a disk, a user or
//! a process has for them.

mod faults;
mod folders;
mod line;
mod resuming;
mod sets;
