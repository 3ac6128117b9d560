//! Pairing for iOS and Android apps.
