-- Settings of the request logic, and their defaults. nginx's configuration, which belongs to root, gives the first group at
-- start and at every reload, before any request; only tests change the second.
return {
    checker = "",                   -- address of the password checker, a unix socket
    cookie_key = "",                -- secret from which the names of cookies in browsers are derived
    scheme = "http",                -- of the public address
    suffix = false,                 -- end of users' host names, ".gate.example"; false where links are below paths
    is_proxied = false,             -- whether there are trusted proxies
    head_bytes = 0,                 -- that the head of a backend's answer may have
    accepted_seconds = 0,           -- an accepted password is remembered for so long after its last use
    -- After `login` wrong passwords of a client for one login within `seconds`, its passwords for that login are not
    -- checked for as long; after `throttle` for all logins, its checks are slowed down. 0 for never. A remembered
    -- verdict holds.
    lockout = { login = 0, throttle = 0, seconds = 1 },
    -- How people sign in: `way` is "htpasswd", "pam" or "forward". With the last, a service at `place` is asked for
    -- `path`; its answer names the visitor in `header`, perhaps with "@" and `domain` behind; visitors sign in at `page`.
    -- `site` is the public address.
    sign_in = { way = "htpasswd" },

    checker_restart_seconds = 5,    -- a password is checked by then, or cannot be: the password checker may be restarting
    loopback_pattern = "^\127",     -- addresses in bytes that are this host's: every account here can use all of them
    settled_seconds = 300,          -- after which nginx has certainly read an include file again, if it was reloaded for it
    sock_diag = 4,                  -- the kernel's protocol for questions about sockets: NETLINK_SOCK_DIAG
    test_clock = false,             -- whether locks and slots go by a clock that only a test moves: see clock.lua
}
