-- What a proxy that the administrator trusts says of a request: by which scheme and host the browser has asked.
local accounts = require "vizgate.accounts"
local addresses = require "vizgate.addresses"
local listeners = require "vizgate.listeners"

local HOST_BYTES = 260          -- of the longest name with a port

local _M = {}

-- The last word of a header, where several proxies, or a client before them, have written into it.
local function last_word(lines)
    local line = type(lines) == "table" and lines[#lines] or lines
    -- backwards, as a pattern without an anchor takes long for a long line
    return line and line:reverse():match("^%s*([^%s,]*)"):reverse()
end

-- Whether the administrator's proxy opened this connection, and no account of this host asked for it. Every account here could
-- come from a proxy's address, and could ask a proxy from one, so that its claims would count as the word of another proxy.
local function is_proxy(var, chain)
    local address = var.realip_remote_addr
    if chain and addresses.is_sent_from_here(chain, var.binary_remote_addr) then
        return false
    end
    return not addresses.is_local_text(address)
        or accounts.is_administrators(
            listeners.connector(address, var.realip_remote_port, var.server_addr, var.server_port))
end

-- Takes scheme and host from the proxy. nginx has taken the visitor's address before; where that was forged, the request ends
-- here.
function _M.apply(var)
    local headers = ngx.req.get_headers(0)
    local scheme, host = last_word(headers["x-forwarded-proto"]), last_word(headers["x-forwarded-host"])
    local chain = headers["x-forwarded-for"]
    chain = type(chain) == "table" and table.concat(chain, ",") or chain
    if not (scheme or host or chain) then
        return
    elseif not is_proxy(var, chain) then
        var.vizgate_problem = "forged"
        return ngx.exit(403)
    elseif scheme == "http" or scheme == "https" then
        var.vizgate_scheme = scheme
    end
    if host and #host <= HOST_BYTES and host:find("^[%w.:%[%]_-]+$") then
        ngx.req.set_header("Host", host)
    end
end

return _M
