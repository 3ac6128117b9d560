//! One session sends as fast as it can; another sends a word now and then, and it arrives.

use relay_tests::harness::SetUp;
use relay_tests::loud::words_beside_a_flood;
use relay_tests::on_each_setup;

on_each_setup!(a_word_beside_a_flood_arrives);

const FRAMES: usize = 3000;

/// Fault 22: One session floods while another sends single words.
/// Played: 96 MB beside one frame at a time. Soak: 200 MB.
/// Holds: The words always pass. Soak, on two cores: the p99 of a word and its answer is 5 to 55 ms, and 116
/// ms while compilers used the cores.
fn a_word_beside_a_flood_arrives(set_up: SetUp) {
    let times = words_beside_a_flood(set_up, FRAMES);
    let most = times.iter().max().copied().unwrap_or_default();
    eprintln!("{} words and their answers beside the flood, {most:?} at most", times.len());
    // A server that finished one session first would let through one word at most.
    assert!(times.len() >= 30, "{} words in all that time", times.len());
}
