-- Holds for the two statuses that a server should give.
function init()
    return { buffer = "true" }
end

function match(args)
    return args.buffer == "200" or args.buffer == "204"
end
