//! depart
