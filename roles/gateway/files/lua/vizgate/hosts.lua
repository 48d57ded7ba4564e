-- Host names of users and of their links.
local config = require "vizgate.config"

local _M = {}

-- The user whose host this is, and the link if it is a link's own: the first label of a name that otherwise is the gateway's,
-- "alice" or "training--alice". No user's name has "--" in it, so the last one parts them. Only where users have host names.
function _M.owner(host)
    local suffix = config.suffix
    host = (host or ""):lower()
    local label = host:sub(-#suffix) == suffix and host:sub(1, -#suffix - 1) or ""
    if label:find("--", 1, true) then
        local own, user = label:match("^([a-z0-9][a-z0-9-]*)%-%-([a-z][a-z0-9-]*)$")
        return user, own
    end
    return label:match("^[a-z][a-z0-9-]*$")
end

return _M
