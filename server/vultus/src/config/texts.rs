//! Texts of the configuration with a form: addresses, origins, log levels, login names.

use std::net::SocketAddr;
use tracing_subscriber::EnvFilter;
use url::Url;
use vultus_api::http::Network;

pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an address and a port, such as 127.0.0.1:8080".to_owned())
}

pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
        .ok_or_else(|| "must be an http or https address".to_owned())
}

/// Origins separated by commas.
pub(super) fn origins(text: &str) -> Result<Vec<String>, String> {
    let origins = text.split(',').map(|origin| origin.trim().trim_end_matches('/').to_owned());
    Ok(origins.filter(|origin| !origin.is_empty()).collect())
}

/// Addresses and networks separated by commas.
pub(super) fn networks(text: &str) -> Result<Vec<Network>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().map_err(|error| format!("{part}: {error}"))).collect()
}

/// Directives of tracing's filter; they are kept as text, since a filter cannot be cloned.
pub(super) fn log_level(text: &str) -> Result<String, String> {
    match text.parse::<EnvFilter>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("must be a level, or levels per part".to_owned()),
    }
}

pub(super) fn admin_email(text: &str) -> Result<String, String> {
    vultus_auth::login_name::normal_email(text)
        .ok_or_else(|| "must be a login name of the form name@host".to_owned())
}
