//! The journal rules as an executable model
