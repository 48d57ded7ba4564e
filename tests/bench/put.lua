-- wrk's requests: PUT of 1 MiB. Argument: the value of the Authorization header, or nothing.
function init(arguments)
    wrk.method, wrk.body = "PUT", ("x"):rep(1048576)
    if arguments[1] then
        wrk.headers["Authorization"] = arguments[1]
    end
end
