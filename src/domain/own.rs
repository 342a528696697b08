//! Our own MCP server as a record among the others: built in, so nobody registers, changes or removes it.

use serde_json::Map;

use super::egress::Egress;
use super::path::ServerPath;
use super::server::{Profile, Server};
use super::upstream::UpstreamUrl;
use crate::clock::Timestamp;

/// Our own server, at its public address, with so many tools. It is as old as the gateway, which is to say of no age.
pub fn server(address: UpstreamUrl, tools: i64) -> Server {
    let never = Timestamp::from_unix(0);
    let words = ["mcp", "registry", "discovery", "built-in"];
    Server {
        path: ServerPath::ours(),
        profile: Profile {
            name: "MCP Gateway Tools".to_owned(),
            description:
                "Finds tools by what they do, calls them, and manages the registry; built into the gateway"
                    .to_owned(),
            proxy_pass_url: address,
            tags: words.map(str::to_owned).to_vec(),
            num_tools: tools,
            num_stars: 0,
            is_python: false,
            license: "Apache-2.0".to_owned(),
            metadata: Map::new(),
            mcp_endpoint: None,
            sse_endpoint: None,
            append_mcp_path: true,
            pinned: false,
            supported_transports: vec!["streamable-http".to_owned(), "sse".to_owned()],
            egress: Egress::default(),
        },
        enabled: true,
        trusted: true,
        sealed: None,
        registered_by: "gatehouse".to_owned(),
        registered_at: never,
        updated_at: never,
    }
}

impl Server {
    /// Whether it is our own.
    pub fn is_built_in(&self) -> bool {
        self.path.is_ours()
    }
}
