-- What wrk found, as one line of JSON instead of its text.
done = function(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '{"micros":%d,"requests":%d,"bytes":%d,"p99":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
      summary.duration, summary.requests, summary.bytes, latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
