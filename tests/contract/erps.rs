//! erps
