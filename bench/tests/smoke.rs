//! The program itself, for a moment, against a real server in this process.

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::thread;

use relayd::{Server, config};

/// Runs the benchmark for a tenth of a second.
fn bench(addr: SocketAddr, options: &str) -> Output {
    let short = "--pairs 3 --seconds 0.1 --warmup 0.05 --repeats 1";
    Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--url", &format!("ws://{addr}/ws")])
        .args(short.split(' ').chain(options.split_whitespace()))
        .output()
        .expect("the benchmark starts")
}

#[test]
fn every_kind_of_load_runs_and_finds_no_fault() {
    let flags = ["relayd", "--store", "memory", "--listen", "127.0.0.1", "--port", "0"];
    let config = config::load(flags.map(Into::into)).expect("the flags are good");
    let server = Server::bind(&config).expect("a free port");
    let (addr, stopper) = (server.local_addr(), server.stopper());
    let serving = thread::spawn(|| server.run());
    for options in ["--window 4", "--window 2 --raw", "--rate 500", "--window 2 --size 100000"] {
        let output = bench(addr, options);
        let (said, table) =
            (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{options}: {said}");
        assert!(table.contains("p99.9 us") && table.contains("\nserver "), "{options}: {table}");
    }
    stopper.stop();
    serving.join().expect("no panic").expect("the server ends well");
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = gone.local_addr().expect("its address");
    drop(gone);
    let output = bench(addr, "--window 1");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("could not be joined"));
}
