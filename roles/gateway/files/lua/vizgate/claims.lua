-- Request headers in which a proxy tells a backend who the visitor is, or where a request came from. Backends believe them, so
-- none that a client has written may reach them.
local MAX_CLAIMS = 50   -- that one request may have; removing one takes longer the more there are

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

-- The first bytes of such names, by which most headers of a request are ruled out.
local FIRST = {}
for family in pairs(FAMILIES) do
    FIRST[family:byte()], FIRST[family:upper():byte()] = true, true
end

local _M = {}

-- Whether a header has such a name, in any case, with "-" or "_" between words.
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

-- Adds a name to these; nil adds none.
function _M.add(name)
    if name then
        FAMILIES[name:lower()] = true
        FIRST[name:lower():byte()], FIRST[name:upper():byte()] = true, true
    end
end

-- Removes such headers from the request at hand; a request with too many is answered with 400.
function _M.drop()
    local claimed
    for name in pairs(ngx.req.get_headers(0, true)) do
        if FIRST[name:byte()] and is_claim(name) then
            claimed = claimed or {}
            claimed[#claimed + 1] = name
        end
    end
    if not claimed then
        return
    elseif #claimed > MAX_CLAIMS then
        return ngx.exit(400)
    end
    for _, name in ipairs(claimed) do
        ngx.req.clear_header(name)
    end
end

return _M
