//! The program itself, for a moment: each scenario against a real server in this process. What needs more
//! processes runs if relayd and redis-server can be started.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;

use relayd::{Server, config};

/// Runs the benchmark for a moment. On a loaded machine, no frame may arrive in that time, and there is no
/// latency to show.
fn bench(options: &str, report: &str) -> Output {
    let short = "--seconds 0.3 --warmup 0.05 --repeats 1 --report";
    Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(options.split_whitespace().chain(short.split(' ')))
        .arg(report_folder(report))
        .output()
        .expect("the benchmark starts")
}

/// Each test has its own, as they run at the same time.
fn report_folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The table of a run that found no fault.
fn table_of(output: &Output, options: &str) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{options}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_kind_of_load_runs_and_finds_no_fault() {
    let flags = ["relayd", "--store", "memory", "--listen", "127.0.0.1", "--port", "0"];
    let config = config::load(flags.map(Into::into)).expect("the flags are good");
    let server = Server::bind(&config).expect("a free port");
    let (addr, stopper) = (server.local_addr(), server.stopper());
    let serving = thread::spawn(|| server.run());
    for (options, figure) in [
        ("--pairs 3 --window 4", "msg/s"),
        ("--pairs 3 --window 2 --raw", "msg/s"),
        ("--pairs 3 --rate 500", "msg/s"),
        ("--pairs 3 --window 2 --size 100000", "MiB/s"),
        ("idle --pairs 20", "idle: "),
        ("connect --pairs 20", "connect: "),
        ("handshakes --pairs 20", "handshakes: "),
        ("mixed --pairs 20 --rate 400", "mixed: "),
        ("large --pairs 1", "MiB/s"),
        ("slow-reader --pairs 5 --rate 500", "slow-reader: "),
        ("growth --pairs 20 --rate 500", "growth: "),
    ] {
        let options = format!("{options} --url ws://{addr}/ws");
        let table = table_of(&bench(&options, "loads"), &options);
        assert!(table.contains(figure) && table.contains("\nserver "), "{options}: {table}");
        assert!(table.contains("every frame is delivered") || !table.contains("p99"), "{options}: {table}");
    }
    stopper.stop();
    serving.join().expect("no panic").expect("the server ends well");
}

#[test]
fn several_processes_are_measured_and_reported() {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_bench"));
    let relayd = program.with_file_name(format!("relayd{}", env::consts::EXE_SUFFIX));
    if !relayd.is_file() || !has_redis() {
        eprintln!("skipped: relayd is not built, or redis-server is not in the PATH");
        return;
    }
    let options = "local redis growth --pairs 4 --rate 500 --vs floor";
    let table = table_of(&bench(options, "processes"), options);
    for part in ["frames in each PUBLISH", "CPU µs/msg of relayd B", "growth of CPU", "\nfloor "] {
        assert!(table.contains(part), "{part} is not in {table}");
    }
    let read = |name| fs::read_to_string(report_folder("processes").join(name)).expect("a report");
    let (json, html) = (read("report.json"), read("report.html"));
    assert!(json.contains("\"CPU µs/msg of redis\"") && json.contains("\"verdict\": \"holds\""), "{json}");
    assert!(html.matches("<svg").count() >= 3 && html.ends_with("</html>\n"), "{html}");
}

fn has_redis() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let name = format!("redis-server{}", env::consts::EXE_SUFFIX);
    env::split_paths(&path).any(|folder| folder.join(&name).is_file())
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr: SocketAddr = gone.local_addr().expect("its address");
    drop(gone);
    let output = bench(&format!("--window 1 --pairs 1 --url ws://{addr}/ws"), "gone");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("can't be reached"));
}
