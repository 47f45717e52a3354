-- A number keeps its per cent sign.
function Inlines(inlines)
  for i, inline in ipairs(inlines) do
    local after = inlines[i + 1]
    if inline.t == "Space" and after and after.t == "Str" and after.text:sub(1, 1) == "%" then
      inlines[i] = pandoc.Str("\u{a0}")
    end
  end
  return inlines
end
