//! Tests of whole transfers.
