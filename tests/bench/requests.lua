-- wrk's requests: every link of some users in turn. Arguments: links of each user, then one credential per user.
local requests, turn = {}, 0

function init(arguments)
    for user = 2, #arguments do
        for link = 0, arguments[1] - 1 do
            local path = "/user" .. user - 2 .. "/link" .. link .. "/"
            requests[#requests + 1] = wrk.format("GET", path, { Authorization = "Basic " .. arguments[user] })
        end
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end
