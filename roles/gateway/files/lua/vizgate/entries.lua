-- What is published: links and logins.
--
-- An entry is one line of the include files: "alice/training" -> "keep 127.0.0.1:8097" for a link,
-- "alice/" -> the generation of alice's logins, and then their names.
-- The first word of a link is "keep" or "strip", or "host" for a link with a host name of its own. Where the target speaks
-- TLS, it also says so, and for which name the certificate has to be valid ("keep:verified:node7 10.0.0.7:8443",
-- "keep:unverified: 10.0.0.7:8443"). Where users have port ranges, a link to this host also has the account whose listeners
-- it trusts ("keep 127.0.0.1:20001 1001"), and where it trusts those of services, the number below which accounts are
-- services ("... 1001 1000").
-- The shared dict holds what was published since nginx started, and wins over the map that nginx read from disk; an empty
-- value says that the entry is gone.
local links = ngx.shared.vizgate_links

local _M = {}

-- What the include files said when nginx read them; "" for nothing.
local function on_disk(key)
    ngx.var.vizgate_key = key
    return ngx.var.vizgate_entry
end
_M.on_disk = on_disk

-- The value of an entry; nothing where there is none.
function _M.get(key)
    local value = links:get(key) or on_disk(key)
    if value ~= "" then
        return value
    end
end

return _M
