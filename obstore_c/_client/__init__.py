"""The HTTP vocabulary that all providers share: requests, answers, headers, options, errors."""
