//! What is in a lab that runs, in the words and columns of kubectl and istioctl. Pure: the commands read, these decide and format.

pub(crate) mod age;
pub(crate) mod calls;
pub(crate) mod columns;
pub(crate) mod describe;
pub(crate) mod dump;
pub(crate) mod legs;
pub(crate) mod objects;
pub(crate) mod pods;
pub(crate) mod proxy_config;
pub(crate) mod secrets;
pub(crate) mod status;
pub(crate) mod sync;
