//! The two routers.
