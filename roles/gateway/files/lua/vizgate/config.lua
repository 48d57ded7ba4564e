-- Settings of the request logic. nginx's configuration gives them at start and at every reload, before any request.
return {
    checker = nil,              -- address of the password checker, a unix socket
    cookie_key = nil,           -- secret from which the names of cookies in browsers are derived
    scheme = nil,               -- of the public address
    suffix = nil,               -- end of users' host names, ".gate.example"; nil where links are below paths
    is_proxied = nil,           -- whether there are trusted proxies
    head_bytes = nil,           -- that the head of a backend's answer may have
    accepted_seconds = nil,     -- an accepted password is remembered for so long after its last use
    -- After `login` wrong passwords of a client for one login within `seconds`, its passwords for that login are not
    -- checked for as long; after `throttle` for all logins, its checks are slowed down. 0 for never. A remembered
    -- verdict holds.
    lockout = nil,
    -- How people sign in: `way` is "htpasswd", "pam" or "forward". With the last, a service at `place` is asked for
    -- `path`; its answer names the visitor in `header`, perhaps with "@" and `domain` behind; visitors sign in at `page`.
    -- `site` is the public address.
    sign_in = { way = "htpasswd" },
}
