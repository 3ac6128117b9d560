//! The code on the workstation's screen, and the pair keys that were handed out under it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::tunnel::event::Refusal;
use crate::tunnel::limits::CANDIDATES_MAX;
use crate::tunnel::secret::{KeyId, PairKey, PairingKey, Secret};

/// The code, from its first second to its end. It has keys, so it has no `Debug`.
pub(super) struct ShownCode {
    state: CodeState,
    /// Handed out under the code; a phone has confirmed none of them yet. At most [`CANDIDATES_MAX`].
    candidates: VecDeque<PairKey>,
}

enum CodeState {
    /// There was none, or it was forgotten.
    None,
    Valid {
        key: PairingKey,
        expires_at: Duration,
    },
    Used(KeyId),
    Expired(KeyId),
}

impl ShownCode {
    /// A code that is valid until `expires_at`.
    pub(super) fn new(key: PairingKey, expires_at: Duration) -> Self {
        Self::with(CodeState::Valid { key, expires_at })
    }

    /// The code that a kept pair has used, if that is known.
    pub(super) fn restore(used: Option<KeyId>) -> Self {
        Self::with(used.map_or(CodeState::None, CodeState::Used))
    }

    fn with(state: CodeState) -> Self {
        ShownCode { state, candidates: VecDeque::new() }
    }

    /// The id of the code's key, once the code was used.
    pub(super) fn used_id(&self) -> Option<KeyId> {
        match self.state {
            CodeState::Used(id) => Some(id),
            _ => None,
        }
    }

    /// When the code expires, while it is valid.
    pub(super) fn expires_at(&self) -> Option<Duration> {
        match &self.state {
            CodeState::Valid { expires_at, .. } => Some(*expires_at),
            _ => None,
        }
    }

    /// True if this is the key of the code, and the code is valid.
    pub(super) fn is_valid_key(&self, id: KeyId) -> bool {
        matches!(&self.state, CodeState::Valid { key, .. } if key.id() == id)
    }

    /// The secret of this key: the code's while it is valid, or one that was handed out under it.
    pub(super) fn secret(&self, id: KeyId) -> Option<&Secret> {
        let candidate = self.candidates.iter().find(|key| key.id() == id).map(PairKey::secret);
        candidate.or_else(|| match &self.state {
            CodeState::Valid { key, .. } if key.id() == id => Some(key.secret()),
            _ => None,
        })
    }

    /// Why a handshake with this key is refused, if it is the key of a code that has ended.
    pub(super) fn refusal(&self, id: KeyId) -> Option<Refusal> {
        match self.state {
            CodeState::Used(used) if used == id => Some(Refusal::CodeUsed),
            CodeState::Expired(expired) if expired == id => Some(Refusal::CodeExpired),
            _ => None,
        }
    }

    /// Why a handshake that began under the code is refused now.
    pub(super) fn refusal_of_late(&self) -> Option<Refusal> {
        match self.state {
            CodeState::Used(_) => Some(Refusal::CodeUsed),
            CodeState::Expired(_) => Some(Refusal::CodeExpired),
            CodeState::None | CodeState::Valid { .. } => None,
        }
    }

    /// Hands out a pair key. The oldest is forgotten where there are too many.
    pub(super) fn hand_out(&mut self, key: PairKey) {
        if self.candidates.len() == CANDIDATES_MAX {
            self.candidates.pop_front();
        }
        self.candidates.push_back(key);
    }

    /// True if this key was handed out under the code and is still unconfirmed.
    pub(super) fn has_candidate(&self, id: KeyId) -> bool {
        self.candidates.iter().any(|key| key.id() == id)
    }

    /// A phone has proven that it has this key. The code works once: no other phone gets in by it, and the
    /// other keys are void. Gives the key, and when the code would have expired. `None` if the key was not
    /// handed out.
    pub(super) fn confirm(&mut self, id: KeyId) -> Option<(PairKey, Option<Duration>)> {
        let at = self.candidates.iter().position(|key| key.id() == id)?;
        let confirmed = self.candidates.remove(at)?;
        self.candidates.clear();
        let expires_at = self.expires_at();
        if let CodeState::Valid { key, .. } = &self.state {
            self.state = CodeState::Used(key.id());
        }
        Some((confirmed, expires_at))
    }

    /// Ends the code if its time is over. True if it ended now.
    pub(super) fn expire(&mut self, now: Duration) -> bool {
        let CodeState::Valid { key, expires_at } = &self.state else { return false };
        if *expires_at > now {
            return false;
        }
        self.state = CodeState::Expired(key.id());
        self.candidates.clear();
        true
    }
}
