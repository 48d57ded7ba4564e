-- The password checker: a second nginx that hashes. In this one, hashing would make every other request wait.
local config = require "vizgate.config"

local CHECK_SECONDS = 30        -- that one check may take

local _M = {}

-- Whether a credential of the user's logins is right; nil where the checker does not say. Asked by a socket, as nginx's own
-- subrequests do not work under HTTP/2.
function _M.check(user, generation, credential)
    if not generation and config.sign_in.way ~= "pam" or credential:find("%c") then
        return false
    end
    local checker = ngx.socket.tcp()
    checker:settimeouts(5000, 5000, CHECK_SECONDS * 1000)
    local response, problem = checker:connect(config.checker)
    if response then
        checker:send("GET / HTTP/1.0\r\nX-Vizgate-User: " .. user .. "\r\nAuthorization: " .. credential .. "\r\n\r\n")
        response, problem = checker:receive("*l")
        checker:close()
    end
    local status = response and tostring(response):match("^HTTP/1%.%d (%d+)")
    if status == "204" then
        return true
    elseif status == "401" or status == "403" then
        return false
    end
    ngx.log(ngx.ERR, "the password checker answers ", status or problem)
    return nil
end

return _M
