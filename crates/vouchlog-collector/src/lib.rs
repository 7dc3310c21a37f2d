//! Make records of the AI interactions in a gateway's telemetry.
