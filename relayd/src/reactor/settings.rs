//! What the reactor is configured with.

use relayd_core::limits::Limits;

use super::StopTimes;
use crate::admission::AdmissionLimits;
use crate::http::Policy;

/// The configuration of the reactor.
#[derive(Clone, Debug)]
pub struct ReactorSettings {
    /// What the core may use.
    pub limits: Limits,
    /// The rules of the endpoints.
    pub policy: Policy,
    /// What clients are told to connect to.
    pub ws_url: String,
    /// How long a stop may take.
    pub stop: StopTimes,
    /// How many connections and requests are allowed.
    pub admission: AdmissionLimits,
    /// Descriptors that were not in use when the listener was open; `None` where that is not known.
    pub descriptors_left: Option<usize>,
}
