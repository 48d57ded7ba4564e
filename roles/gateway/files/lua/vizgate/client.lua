-- Who sends a request: the unit that password checks are counted for, and the key of those who have passed.
local config = require "vizgate.config"

local LOOPBACK6 = ("\0"):rep(15) .. "\1"

local _M = { THIS_HOST = "this host" }

-- The client that password checks are counted for: an IPv4 address, the /64 that an IPv6 client owns, or this host.
function _M.address()
    local var = ngx.var
    local address = var.binary_remote_addr
    if address:find(config.loopback_pattern) or address == LOOPBACK6 or var.remote_addr == var.server_addr then
        return _M.THIS_HOST
    end
    return #address == 16 and address:sub(1, 8) or address
end

-- The key of a visitor who has passed: with the address, as others could otherwise find out, without any limit, which
-- password is right.
function _M.visitor(var)
    return var.binary_remote_addr .. (var.http_authorization or "")
end

return _M
