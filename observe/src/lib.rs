//! Reads captured packets and TLS key logs, and says what each leg of a call carried.
