-- The programs that links lead to: connections to them, and whether they answer.
local accounts = require "vizgate.accounts"
local balancer = require "ngx.balancer"
local listeners = require "vizgate.listeners"

local _M = {}

-- Whether an account listens at a target of this host that the link does not trust. Without a listener nothing is wrong.
function _M.is_quarantined(target, trusted, below)
    local uid = listeners.owner(target)
    if uid and uid ~= tonumber(trusted) then
        return below == "" and uid > 0 or below ~= "" and not accounts.is_service(uid, tonumber(below))
    end
end

local function connect(target)
    local backend = ngx.socket.tcp()
    backend:settimeouts(1000, 1000, 2000)
    local host, port = target:match("^(.+):(%d+)$")
    if target:sub(1, 5) == "unix:" then
        host = target
    end
    return host and backend:connect(host, tonumber(port)) and backend
end

-- Begins TLS as nginx would; returns "" where that works, else what is wrong. nginx itself goes only by its own handshake.
local function tls_handshake(backend, name, verified)
    -- raises an error where a certificate is refused without having been waited for
    local done, session, problem = pcall(backend.sslhandshake, backend, nil, name ~= "" and name, verified)
    if done and session then
        return ""
    end
    return (not done or problem:find("^%d+:") or problem:find("certificate", 1, true)) and "untrusted " or "plain "
end

-- Answers whether a backend speaks HTTP now, by asking for its front page.
function _M.report_status(target, path, quarantined, tls, name)
    local started = ngx.now()
    local backend = not quarantined and connect(target)
    local answers = backend and (tls == "" or tls_handshake(backend, name, tls == "verified") == "")
        and backend:send("HEAD " .. path .. " HTTP/1.1\r\nHost: " .. (ngx.var.http_host or "localhost")
            .. "\r\nConnection: close\r\n\r\n")
        -- a line could be without an end; each of five bytes is waited for for two seconds at most
        and backend:receive(5) == "HTTP/"
    if backend then
        backend:close()
    end
    ngx.update_time()
    ngx.header["Content-Type"] = "application/json"
    ngx.header["Cache-Control"] = "no-store"
    ngx.say('{"answers": ', tostring(answers and true or false),
        ', "milliseconds": ', math.floor((ngx.now() - started) * 1000), "}")
    return ngx.exit(200)
end

-- Access phase of a look at a backend that speaks TLS: its status, or why there was no answer.
function _M.look()
    local var = ngx.var
    local tls, target, name = var.vizgate_tls, var.vizgate_target, var.vizgate_peer
    if ngx.status ~= 502 then
        return _M.report_status(target, var.vizgate_uri, false, tls, name)
    end
    local backend = tls ~= "" and connect(target)
    if backend then
        var.vizgate_problem = tls_handshake(backend, name, tls == "verified")
        backend:close()
    end
    return ngx.exec("/-/error")
end

-- Balancer phase: the one upstream leads to the target of the request's link.
function _M.balance()
    local target = ngx.var.vizgate_target
    local done, problem = balancer.set_current_peer(target)
    if not done then
        ngx.log(ngx.ERR, "cannot go to ", target, ": ", problem)
        return ngx.exit(502)
    end
end

return _M
