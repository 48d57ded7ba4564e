-- Request headers in which a proxy tells a backend who the visitor is, or where a request came from. Backends take them for
-- the gateway's word, so none that a client has written may reach them.
local MOST = 50     -- that one request may have; taking one away takes as long as there are others

-- Families of names, by their first words: "remote" is Remote-User, Remote-Groups and whatever else begins so.
local FAMILIES = {}
for family in ([[
    cf-access cf-connecting client-ip fastly-client forwarded front-end impersonate iv oidc proxy remote shib sm smuser ssl
    tailscale teleport true-client x-amzn-oidc x-anonymous x-appengine x-arr x-auth x-authelia x-authenticated x-authentik
    x-client-cert x-client-dn x-client-ip x-client-verify x-cluster x-consumer x-credential x-email x-envoy x-forwarded
    x-goog-authenticated x-goog-iap x-group x-groups x-host x-id-token x-identity x-impersonate x-ldap x-mellon
    x-ms-client-principal x-ms-token x-oidc x-original x-pomerium x-principal x-proxy x-real x-remote x-rewrite x-role x-roles
    x-saml x-scheme x-script x-shib x-ssl x-sso x-trusted x-url-scheme x-user x-userid x-userinfo x-username x-vizgate x-vouch
    x-webauth
]]):gmatch("%S+") do
    FAMILIES[family] = true
end
-- a secret that tools check themselves, and that programs have no other place for where Authorization is the gateway's
local SECRETS = { ["x-auth-token"] = true }

-- The first bytes of such names; most headers of a request are told from them by these.
local FIRST = {}
for family in pairs(FAMILIES) do
    FIRST[family:byte()], FIRST[family:upper():byte()] = true, true
end

local _M = {}

-- Is it the name of such a header, in whatever case, and whether words are parted by "-" or "_"?
local function is_claim(name)
    name = name:lower():gsub("_", "-")
    if SECRETS[name] then
        return false
    end
    local stop = 0
    repeat
        stop = name:find("-", stop + 1, true) or #name + 1
        if FAMILIES[name:sub(1, stop - 1)] then
            return true
        end
    until stop > #name
    return false
end

-- Counts another name as one of these; nothing for none.
function _M.add(name)
    if name then
        FAMILIES[name:lower()] = true
        FIRST[name:lower():byte()], FIRST[name:upper():byte()] = true, true
    end
end

-- Takes such headers from the request at hand; ends a request that has too many.
function _M.drop()
    local found
    for name in pairs(ngx.req.get_headers(0, true)) do
        if FIRST[name:byte()] and is_claim(name) then
            found = found or {}
            found[#found + 1] = name
        end
    end
    if not found then
        return
    elseif #found > MOST then
        return ngx.exit(400)
    end
    for _, name in ipairs(found) do
        ngx.req.clear_header(name)
    end
end

return _M
