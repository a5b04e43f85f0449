//! What scenarios, simulation and measurements share: companies with named people, real servers, real phones, a bad
//! network, a disk that loses power.

pub mod visits;
