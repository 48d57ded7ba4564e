-- Who may see a user's pages, by the way of signing in that is configured.
local basic = require "vizgate.auth_basic"
local config = require "vizgate.config"
local forward = require "vizgate.auth_forward"

local _M = {}

local function provider()
    return config.sign_in.way == "forward" and forward or basic
end

-- Lets a request through that may see the user's pages; answers all others.
function _M.authorize(user)
    return provider().authorize(user)
end

-- Whether the visitor has signed in to the user's pages before, as far as the request at hand shows that.
function _M.has_visited(user)
    return provider().has_visited(user)
end

return _M
