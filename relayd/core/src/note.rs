//! What happens between nodes, for the log. It decides nothing.

use std::time::Duration;

use protocol::ids::{NodeId, Role, SessionId};

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// The stream to and from a node began.
    StreamBegan {
        /// The other node.
        node: NodeId,
    },
    /// Everything that ran over that stream is over.
    StreamOver {
        /// The other node.
        node: NodeId,
        /// Why.
        why: StreamEnd,
    },
    /// Something became of a link to another node, or of the request for one.
    Link {
        /// What.
        step: LinkStep,
        /// The other node.
        node: NodeId,
        /// Whose link it is.
        session: SessionId,
        /// The role that is held here.
        role: Role,
    },
    /// This node has not heard its own probe for long: it does not judge other nodes.
    ProbeLate {
        /// For how long.
        age: Duration,
    },
    /// It hears its own probe again.
    ProbeFresh,
}

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The other node said nothing for too long.
    Silent,
    /// The other node restarted, or its end of the stream did.
    Restarted,
    /// The bus was away for longer than links outlast it.
    CutOff,
    /// Nothing ran over it for long.
    Unused,
}

/// What became of a link to another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkStep {
    /// This node asks for it.
    Opening,
    /// It stands.
    Accepted,
    /// The other node does not have that connection.
    Gone,
    /// It ended on this side.
    EndedHere,
    /// It ended on the other side, or its stream is over.
    EndedThere,
}
