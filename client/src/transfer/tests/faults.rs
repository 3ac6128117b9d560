//! Faults of disks, files and users.
