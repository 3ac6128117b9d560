//! What every case is built from, lowest floor first.
//!
//! [`guard`], [`random`], [`process`], [`program`], [`namespace`], [`wall_clock`], [`scarce`] and
//! [`authority`] know nothing of the relay; [`wire`], [`http`] and [`ws`] speak bytes; [`redis`], [`tls`],
//! [`sentinel`], [`relayd`] and [`relay`] run the service; [`session`], [`peer`], [`dial`] and [`pair`] play
//! its clients; [`sequence`], [`bystander`] and [`talk`] judge what is delivered; [`tunnel`] and [`node`] are
//! ends of a tunnel, of two implementations. [`fleet`] is a service whose nodes come and go, and
//! [`fault_proxy`] a bad network before anything that listens.

pub mod authority;
pub mod bystander;
pub mod dial;
pub mod fault_proxy;
pub mod fleet;
pub mod guard;
pub mod http;
pub mod json;
pub mod log;
pub mod namespace;
pub mod node;
pub mod pair;
pub mod peer;
pub mod process;
pub mod program;
pub mod random;
pub mod redis;
pub mod relay;
pub mod relayd;
pub mod role;
pub mod scarce;
pub mod sentinel;
pub mod sequence;
pub mod session;
pub mod talk;
pub mod tls;
pub mod tunnel;
pub mod wall_clock;
pub mod wire;
pub mod ws;

pub use authority::Authority;
pub use bystander::Bystander;
pub use fault_proxy::{Behaviour, FaultProxy};
pub use fleet::Fleet;
pub use namespace::Namespace;
pub use pair::Pair;
pub use peer::{Event, Peer};
pub use relay::{Relay, SetUp};
pub use relayd::{Options, Relayd};
pub use role::Role;
pub use session::{Hello, Session};
pub use talk::{Talk, Talking};
pub use wall_clock::WallClock;

/// Makes one test per set-up out of each named `fn(SetUp)`: `name::memory`, `name::redis`, `name::two_nodes`
/// and `name::three_nodes`.
#[macro_export]
macro_rules! on_each_setup {
    ($($name:ident),+ $(,)?) => {
        $($crate::on_setups!($name: memory Memory, redis Redis, two_nodes TwoNodes, three_nodes ThreeNodes);)+
    };
}

/// The same for what is told or timed otherwise where the two ends are on two nodes: `name::memory` and
/// `name::redis`.
#[macro_export]
macro_rules! on_one_node {
    ($($name:ident),+ $(,)?) => {
        $($crate::on_setups!($name: memory Memory, redis Redis);)+
    };
}

/// What both are made of: the tests of one `fn(SetUp)`, each with the name of its set-up.
#[doc(hidden)]
#[macro_export]
macro_rules! on_setups {
    ($name:ident: $($test:ident $set_up:ident),+) => {
        mod $name {
            $(#[test]
            fn $test() {
                super::$name($crate::harness::SetUp::$set_up);
            })+
        }
    };
}
