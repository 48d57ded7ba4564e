-- The password checker: a second nginx that hashes. In this one, hashing would make every other request wait.
local config = require "vizgate.config"

local CHECK_SECONDS = 30        -- that one check may take
local RETRY_SECONDS = 0.1       -- from one question to the next while the checker is away

local _M = {}

-- The status of the checker's answer; where there is no answer, nil and why. Asked by a socket, as nginx's own subrequests do
-- not work under HTTP/2.
local function ask(request)
    local checker = ngx.socket.tcp()
    checker:settimeouts(5000, 5000, CHECK_SECONDS * 1000)
    local response, problem = checker:connect(config.checker)
    if response then
        checker:send(request)
        response, problem = checker:receive("*l")
        checker:close()
    end
    return response and tostring(response):match("^HTTP/1%.%d (%d+)"), problem
end

-- Whether a credential of the user's logins is right; nil where the checker does not say.
function _M.check(user, generation, credential)
    if not generation and config.sign_in.way ~= "pam" or credential:find("%c") then
        return false
    end
    local request = "GET / HTTP/1.0\r\nX-Vizgate-User: " .. user .. "\r\nAuthorization: " .. credential .. "\r\n\r\n"
    local last = ngx.now() + config.checker_restart_seconds
    local status, problem = ask(request)
    while not status and ngx.now() < last do
        ngx.sleep(RETRY_SECONDS)
        status, problem = ask(request)
    end
    if status == "204" then
        return true
    elseif status == "401" or status == "403" then
        return false
    end
    ngx.log(ngx.ERR, "the password checker answers ", status or problem)
    return nil
end

return _M
