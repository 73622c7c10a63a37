-- Turns a path around.
function transform(input, arguments)
    if arguments[1] ~= "path" then
        return nil
    end
    return input:reverse(), #input
end
