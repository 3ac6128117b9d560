//! What cases are built from, lowest layer first.
//!
//! [`guard`], [`random`], [`process`], [`program`], [`namespace`], [`wall_clock`], [`scarce`] and
//! [`authority`] do not know the relay. [`wire`], [`http`] and [`ws`] speak bytes. [`redis`], [`tls`],
//! [`sentinel`], [`relayd`] and [`relay`] run the service. [`tls_client`] speaks its own TLS. [`session`],
//! [`peer`], [`dial`] and [`pair`] are its clients. [`sequence`], [`bystander`] and [`talk`] check what is
//! delivered. [`tunnel`] and [`node`] are ends of a tunnel, in two implementations, [`app`] ends of the app
//! protocol, [`app_phone`] a phone as its user has it, and [`desk`] a user's own folders and agent. [`fleet`]
//! is a service whose nodes come and go. [`fault_proxy`] is a bad network in front of any server, and
//! [`gateway`] the only way out of a network.

pub mod app;
pub mod app_phone;
pub mod authority;
pub mod bystander;
pub mod desk;
pub mod dial;
pub mod fault_proxy;
pub mod fleet;
pub mod gateway;
pub mod guard;
pub mod http;
pub mod json;
pub mod log;
pub mod log_texts;
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
pub mod tls_client;
pub mod tunnel;
pub mod wall_clock;
pub mod window;
pub mod wire;
pub mod ws;

pub use authority::Authority;
pub use bystander::Bystander;
pub use fault_proxy::{Behaviour, FaultProxy};
pub use fleet::Fleet;
pub use gateway::{Gate, Gateway};
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

/// The same, for cases that differ in events or timing if the two ends are on two nodes: `name::memory` and
/// `name::redis`.
#[macro_export]
macro_rules! on_one_node {
    ($($name:ident),+ $(,)?) => {
        $($crate::on_setups!($name: memory Memory, redis Redis);)+
    };
}

/// The tests of one `fn(SetUp)`, each named after its set-up. Used by the two macros above.
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
