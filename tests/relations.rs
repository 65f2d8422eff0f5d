//! What each relation costs.
