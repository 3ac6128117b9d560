//! Measures how long it takes to recover from a path that died silently: every scene, with each way of losing
//! packets.
//!
//! `dead_path RUNS [SEED]`. Linux only; runs in its own network. It prints the median and the worst time of
//! each scene, and exits with 1 if one is longer than promised.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use relay_tests::dead_path::{Scene, play, start_relay};
use relay_tests::harness::Namespace;
use relay_tests::harness::namespace::Way;
use relay_tests::harness::random::{Random, amount_and_seed};

/// The cut comes at any time between two heartbeats.
const QUIET_MS_MAX: usize = 30_000;

fn main() -> ExitCode {
    let Some((runs, seed)) = amount_and_seed("dead_path RUNS") else { return ExitCode::from(2) };
    Namespace::run_program(|network| {
        let mut random = Random::new(seed);
        let kinds = Scene::ALL.into_iter().flat_map(|scene| WAYS.map(|way| (scene, way)));
        let kinds: Vec<(Scene, Way, Vec<usize>)> = kinds
            .map(|(scene, way)| (scene, way, (0..runs).map(|_| random.below(QUIET_MS_MAX)).collect()))
            .collect();
        let measured = measure(network, &kinds);
        let kept = kinds.iter().zip(measured).map(|((scene, way, _), took)| tell(*scene, *way, took));
        // Every line is printed.
        assert!(kept.fold(true, |all, kept| all & kept), "a promise was not kept");
    })
}

const WAYS: [Way; 3] = [Way::Both, Way::ToServer, Way::ToClient];

/// All pairs at the same time.
fn measure(network: &Namespace, kinds: &[(Scene, Way, Vec<usize>)]) -> Vec<Vec<Duration>> {
    let relay = &start_relay();
    thread::scope(|scope| {
        let mut numbers = 1..;
        let runs: Vec<Vec<_>> = kinds
            .iter()
            .map(|(scene, way, waits)| {
                let start = |(wait, number)| {
                    let after = Duration::from_millis(wait as u64);
                    scope.spawn(move || play(network, relay, number, *scene, *way, after).back)
                };
                waits.iter().copied().zip(&mut numbers).map(start).collect()
            })
            .collect();
        runs.into_iter().map(|runs| runs.into_iter().map(|run| run.join().unwrap()).collect()).collect()
    })
}

/// Prints a line. True if the promise was kept.
fn tell(scene: Scene, way: Way, mut took: Vec<Duration>) -> bool {
    took.sort_unstable();
    let Some(&worst) = took.last() else { return true };
    println!(
        "{scene:?}, {way:?}: median {:.1} s, worst {:.1} s of {}; promised {} s",
        took[took.len() / 2].as_secs_f64(),
        worst.as_secs_f64(),
        took.len(),
        scene.promised().as_secs()
    );
    worst <= scene.promised()
}
